-- Moves of nodes to other disks that have begun and not ended: of the two directories, the one that the node's row does not name
-- is to be deleted.

CREATE TABLE move (
    node INTEGER PRIMARY KEY REFERENCES node (number) ON DELETE CASCADE,
    from_dir TEXT NOT NULL,
    to_dir TEXT NOT NULL
) STRICT;
