-- Schema version 2: a node's life has the columns of its state machine, and ports are rows, so that a new kind of port
-- needs no new column. A port that is not known has no row.

ALTER TABLE machine RENAME COLUMN last_stopped_at TO last_surveyed_boot;
ALTER TABLE reading RENAME TO metrics;

ALTER TABLE node RENAME COLUMN born TO created_at;
ALTER TABLE node RENAME COLUMN since TO status_since;
ALTER TABLE node RENAME COLUMN intention TO pending;
ALTER TABLE node RENAME COLUMN trouble TO last_error;
ALTER TABLE node ADD COLUMN desired TEXT NOT NULL DEFAULT 'run';
ALTER TABLE node ADD COLUMN has_run INTEGER NOT NULL DEFAULT 0;

-- What was begun counts, where a row contradicts it: the next cycle finds out what became of it.
UPDATE node SET status = 'STOPPED' WHERE pending = 'add';
UPDATE node SET status = 'REMOVING' WHERE pending = 'remove';
UPDATE node SET status = 'DISABLED' WHERE pending IN ('disable', 'enable');
UPDATE node SET pending = NULL
    WHERE status IN ('DISABLED', 'DEAD', 'MIGRATING') AND pending IN ('start', 'stop', 'restart', 'upgrade');

UPDATE node SET desired = CASE WHEN status = 'DISABLED' THEN 'unmanaged' WHEN held THEN 'stop' ELSE 'run' END;
ALTER TABLE node DROP COLUMN held;

UPDATE node SET has_run = 1
    WHERE status IN ('RUNNING', 'UPGRADING') OR peer_id IS NOT NULL
        OR EXISTS (SELECT 1 FROM metrics WHERE metrics.number = node.number)
        OR EXISTS (
            SELECT 1 FROM history
                WHERE history.number = node.number AND at >= created_at
                    AND (history.status = 'RUNNING' OR kind = 'adopted')
        );
UPDATE node SET status = 'STARTING' WHERE status = 'RESTARTING' AND NOT has_run;

-- A time to wait for that belongs to nothing.
UPDATE node SET retry_at = NULL
    WHERE status IN ('DEAD', 'MIGRATING')
        OR (status = 'DISABLED' AND pending IS NOT 'disable')
        OR (status IN ('RUNNING', 'STARTING', 'RESTARTING', 'UPGRADING') AND (failures = 0 OR last_error IS NULL));
UPDATE node SET failures = 0, last_error = NULL WHERE status = 'RUNNING' AND retry_at IS NULL;

UPDATE history SET kind = 'reconciled' WHERE kind = 'settled';

CREATE TABLE port (
    node INTEGER NOT NULL REFERENCES node (number) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    PRIMARY KEY (node, kind),
    UNIQUE (kind, port)
) STRICT, WITHOUT ROWID;

INSERT INTO port SELECT number, 'node', node_port FROM node WHERE node_port <> 0;
INSERT INTO port SELECT number, 'metrics', metrics_port FROM node WHERE metrics_port <> 0;
INSERT INTO port SELECT number, 'rpc', rpc_port FROM node WHERE rpc_port <> 0;
DROP INDEX node_node_port;
DROP INDEX node_metrics_port;
DROP INDEX node_rpc_port;
ALTER TABLE node DROP COLUMN node_port;
ALTER TABLE node DROP COLUMN metrics_port;
ALTER TABLE node DROP COLUMN rpc_port;

CREATE TABLE group_ports (
    number INTEGER NOT NULL REFERENCES container_group (number) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (number, kind)
) STRICT, WITHOUT ROWID;

INSERT INTO group_ports SELECT number, 'node', node_port_first, node_port_last FROM container_group
    WHERE node_port_last <> 0;
INSERT INTO group_ports SELECT number, 'metrics', metrics_port_first, metrics_port_last FROM container_group
    WHERE metrics_port_last <> 0;
ALTER TABLE container_group DROP COLUMN node_port_first;
ALTER TABLE container_group DROP COLUMN node_port_last;
ALTER TABLE container_group DROP COLUMN metrics_port_first;
ALTER TABLE container_group DROP COLUMN metrics_port_last;
