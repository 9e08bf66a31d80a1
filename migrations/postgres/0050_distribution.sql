-- By what the tables are spread over several servers, where they are: one row then, and rotations go one by one.
CREATE TABLE distribution (
    engine TEXT NOT NULL PRIMARY KEY
);
