-- What is looked for by its name alone is mostly rare.
CREATE INDEX events_name ON events (name, id);
