-- Schema version 3: what is kept of nodes that answer no questions, from one look at their files to the next.

ALTER TABLE metrics ADD COLUMN stored_bytes INTEGER;

CREATE TABLE signs (
    number INTEGER PRIMARY KEY REFERENCES node (number) ON DELETE CASCADE,
    memory TEXT NOT NULL
) STRICT;
