"""Expression Measurement v1, emulated: uploads of sound and of images, their runs, what they are billed.

``operations`` answers; ``uploads``, ``forms`` and ``configs`` read a request, ``pcm`` and ``jpeg`` what it holds; ``sound``,
``schedule`` and ``audio`` measure speech, ``detection``, ``tracking`` and ``video`` faces, ``probabilities`` says what is
told of a score; ``runs`` keeps what was run. Realtime sessions are not emulated.

What must not enter: what is known of v0. The two are different measures, with different names.
"""
