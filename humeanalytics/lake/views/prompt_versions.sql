-- One text of a system prompt under one version of a configuration (EVI), and the chats it was used in. A template that is filled
-- with other variables is another text: prompt_id and prompt_version say which template, where configurations were read.
WITH prompts AS (
    SELECT chat_id, sha256(message_text) AS prompt_sha256, message_text, timestamp
    FROM main.chat_events WHERE type = 'SYSTEM_PROMPT' AND message_text IS NOT NULL
)
SELECT p.prompt_sha256, c.config_id, c.config_version, any_value(g.name) AS config_name, any_value(g.prompt_id) AS prompt_id,
    any_value(g.prompt_version) AS prompt_version, count(DISTINCT p.chat_id) AS chats, min(p.timestamp) AS first_at,
    max(p.timestamp) AS last_at, any_value(length(p.message_text)) AS characters, any_value(p.message_text) AS prompt
FROM prompts AS p
LEFT JOIN main.chats AS c ON c.chat_id = p.chat_id
LEFT JOIN main.evi_configs AS g ON g.config_id = c.config_id AND g.version = c.config_version
GROUP BY p.prompt_sha256, c.config_id, c.config_version
