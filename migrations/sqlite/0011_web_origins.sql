-- The sites whose scripts are a client's own, beside those that its redirect URIs lead to: one JSON list.
ALTER TABLE clients ADD COLUMN web_origins TEXT NOT NULL DEFAULT '[]';
