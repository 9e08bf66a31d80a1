-- The entry of a status list that a client's own tokens name, where it has one: for life.
ALTER TABLE clients ADD COLUMN status_list INTEGER;
ALTER TABLE clients ADD COLUMN status_index INTEGER;
