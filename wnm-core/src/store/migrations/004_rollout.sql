-- Schema version 4: the roll-out of a new program, and how each node does that got it; how often a node fell in a row, and
-- whether it went down with its machine.

ALTER TABLE node ADD COLUMN falls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN comes_back INTEGER NOT NULL DEFAULT 0;

CREATE TABLE rollout (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version TEXT NOT NULL,
    digest TEXT NOT NULL, -- SHA-256 of the program: another file of the same version is another program
    started_at INTEGER NOT NULL,
    phase TEXT NOT NULL,
    phase_since INTEGER NOT NULL,
    pause TEXT -- JSON, unless it is not paused
) STRICT;

CREATE TABLE trial (
    node INTEGER PRIMARY KEY REFERENCES node (number) ON DELETE CASCADE,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    role TEXT NOT NULL,
    from_version TEXT,
    memory_before REAL, -- megabytes
    began_at INTEGER NOT NULL,
    state TEXT NOT NULL -- JSON
) STRICT;
