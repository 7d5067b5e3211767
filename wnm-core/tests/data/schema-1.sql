-- The first form of the record. An empty text or a zero port means "not known yet"; all else is there once only.

CREATE TABLE machine (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    initialised_at INTEGER,
    last_stopped_at INTEGER NOT NULL,
    highest_number_used INTEGER NOT NULL,
    version_cache TEXT
) STRICT;

INSERT INTO machine (id, last_stopped_at, highest_number_used) VALUES (1, 0, 0);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL,
    boot_time INTEGER NOT NULL,
    boot_id TEXT,
    uptime_milliseconds INTEGER NOT NULL,
    cpu_busy INTEGER NOT NULL,
    cpu_total INTEGER NOT NULL,
    disk_read INTEGER NOT NULL,
    disk_written INTEGER NOT NULL,
    net_received INTEGER NOT NULL,
    net_sent INTEGER NOT NULL
) STRICT;

CREATE TABLE container_group (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    name TEXT NOT NULL UNIQUE,
    image TEXT NOT NULL,
    node_port_first INTEGER NOT NULL,
    node_port_last INTEGER NOT NULL,
    metrics_port_first INTEGER NOT NULL,
    metrics_port_last INTEGER NOT NULL,
    container_id TEXT NOT NULL,
    container_name TEXT NOT NULL,
    address TEXT,
    state TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX container_group_container_id ON container_group (container_id) WHERE container_id <> '';
CREATE UNIQUE INDEX container_group_container_name ON container_group (container_name) WHERE container_name <> '';

CREATE TABLE node (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    name TEXT NOT NULL UNIQUE,
    flavour TEXT NOT NULL,
    program TEXT NOT NULL,
    planned_version TEXT,
    root_dir TEXT NOT NULL,
    binary TEXT NOT NULL,
    log_dir TEXT NOT NULL,
    bootstrap_cache_dir TEXT NOT NULL,
    node_port INTEGER NOT NULL,
    metrics_port INTEGER NOT NULL,
    rpc_port INTEGER NOT NULL,
    wallet TEXT NOT NULL,
    network TEXT NOT NULL,
    no_upnp INTEGER NOT NULL,
    environment TEXT NOT NULL, -- JSON: [["NAME","value"], ...]
    start_args TEXT NOT NULL, -- JSON: ["--argument", ...]
    container_group INTEGER,
    service TEXT NOT NULL,
    status TEXT NOT NULL,
    since INTEGER NOT NULL,
    born INTEGER NOT NULL,
    version TEXT,
    peer_id TEXT,
    pid INTEGER,
    pid_start_time INTEGER,
    held INTEGER NOT NULL,
    intention TEXT,
    failures INTEGER NOT NULL,
    retry_at INTEGER,
    trouble TEXT
) STRICT;

CREATE UNIQUE INDEX node_service ON node (service) WHERE service <> '';
CREATE UNIQUE INDEX node_root_dir ON node (root_dir) WHERE root_dir <> '';
CREATE UNIQUE INDEX node_node_port ON node (node_port) WHERE node_port <> 0;
CREATE UNIQUE INDEX node_metrics_port ON node (metrics_port) WHERE metrics_port <> 0;
CREATE UNIQUE INDEX node_rpc_port ON node (rpc_port) WHERE rpc_port <> 0;
CREATE INDEX node_status ON node (status, since);

CREATE TABLE reading (
    number INTEGER PRIMARY KEY REFERENCES node (number) ON DELETE CASCADE,
    uptime_seconds INTEGER,
    records INTEGER,
    relevant_records INTEGER,
    max_records INTEGER,
    puts INTEGER,
    gets INTEGER,
    connected_peers INTEGER,
    open_connections INTEGER,
    peers_in_routing_table INTEGER,
    bad_peers INTEGER,
    shunned INTEGER,
    network_size INTEGER,
    payments INTEGER,
    live_time INTEGER,
    rewards TEXT,
    memory_megabytes REAL,
    cpu_percent REAL
) STRICT;

CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    cycle INTEGER NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER,
    verb TEXT,
    status TEXT,
    text TEXT NOT NULL,
    detail TEXT -- JSON
) STRICT;

CREATE INDEX history_number ON history (number, id) WHERE number IS NOT NULL;
CREATE INDEX history_cycle ON history (cycle, id);
CREATE INDEX history_decided ON history (id) WHERE kind = 'decided';

PRAGMA application_id = 0x776e6d31;
PRAGMA user_version = 1;
UPDATE machine SET initialised_at = 1789990000, last_stopped_at = 1789991000, highest_number_used = 7, version_cache = 'null';
INSERT INTO setting VALUES ('node_cap', '20');
INSERT INTO counters VALUES (1, 1790000000, 1789991000, '5d0b3c1e', 9000000, 1, 2, 3, 4, 5, 6);
INSERT INTO container_group VALUES (1, 'a1', 'wnm-antnode', 55001, 55200, 13001, 13200, 'c0ffee1', 'wnm-a1', '10.72.0.2', 'running');
INSERT INTO node VALUES (7, 'antnode0007', 'v1', '/usr/bin/antnode', '0.4.17', '/nodes/antnode0007', '/nodes/antnode0007/antnode',
    '/logs/antnode0007', '/nodes/bootstrap-cache', 55007, 13007, 30007, '0x00455d78f850b0358E8cea5be24d415E01E107CF',
    'evm-arbitrum-one', 1, '[["RUST_LOG","info"]]', '["--alpha"]', 1, 'antnode0007.service', 'RESTARTING', 1789999000, 1789990000,
    '0.4.17', '12D3KooWPeer7', 4007, 99, 0, 'start', 2, 1790000060, 'it was tired');
INSERT INTO reading VALUES (7, 701, 702, 703, 704, 705, 706, 707, 708, 709, 710, 711, 712, 713, 714,
    '24691357802469137000000000000001', 201.5, 0.1);
INSERT INTO history VALUES (41, 1789999000, 3, 'intended', 7, 'start', 'RESTARTING', 'there is room', NULL);
