-- One word, or one stretch of speech where a source does not tell words apart, of the newest reading of each file. A recording
-- with several such files has what each of them says: source_id tells them apart.
SELECT t.* FROM main.words_all AS t SEMI JOIN main.word_sources AS s ON s.source_id = t.source_id
