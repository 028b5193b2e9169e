"""The command line: one thin command for each library verb. Renders, never decides."""
