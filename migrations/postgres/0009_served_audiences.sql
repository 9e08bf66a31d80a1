-- The audiences that a client is itself, and may look at tokens for. So far those that it may call did for both, and an
-- operator's client may be a service that does.
ALTER TABLE clients ADD COLUMN serves TEXT NOT NULL DEFAULT '[]';
UPDATE clients SET serves = audiences WHERE confidential AND NOT self_registered;
