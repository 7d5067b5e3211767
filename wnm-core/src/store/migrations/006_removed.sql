-- Schema version 6: when everything was taken down, how far a rolling restart or upgrade is, and what is kept of nodes that were
-- removed, so that they can be brought back.

ALTER TABLE machine ADD COLUMN torn_down_at INTEGER;
ALTER TABLE machine ADD COLUMN rolling TEXT; -- JSON, unless none goes on

CREATE TABLE removed (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL,
    created_at INTEGER NOT NULL, -- tells the node from others of that number
    node TEXT NOT NULL, -- its row, as JSON
    key BLOB NOT NULL,
    removed_at INTEGER NOT NULL,
    UNIQUE (number, created_at)
) STRICT;
