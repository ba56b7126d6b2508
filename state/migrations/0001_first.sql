-- One row: the study itself.
CREATE TABLE study (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    seed INTEGER NOT NULL,
    target_name TEXT NOT NULL,
    target_kind TEXT NOT NULL CHECK (target_kind IN ('sealed', 'command')),
    metric TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('min', 'max')),
    policy TEXT NOT NULL,
    settings TEXT NOT NULL CHECK (json_valid(settings)),
    state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'stopped', 'finished')),
    stop_reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX one_study ON study ((1));

-- Scores are comparable only within an epoch.
CREATE TABLE epochs (
    id INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    environment_digest TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (json_valid(environment)),
    budget REAL NOT NULL,           -- seconds, or steps where the clock is 'steps'
    clock TEXT NOT NULL CHECK (clock IN ('wall', 'cpu', 'steps')),
    device_model TEXT NOT NULL,
    torch_version TEXT NOT NULL
) STRICT;

-- Every source once, by the SHA-256 of its UTF-8 bytes.
CREATE TABLE sources (
    sha256 TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE experiments (
    id INTEGER PRIMARY KEY CHECK (id >= 0),   -- 0 is the baseline
    epoch_id INTEGER NOT NULL REFERENCES epochs (id),
    kind TEXT NOT NULL
        CHECK (kind IN ('baseline', 'replicate', 'candidate', 'confirmation', 'sentinel')),
    parent_id INTEGER REFERENCES experiments (id),
    subject_id INTEGER REFERENCES experiments (id),
    source_sha TEXT NOT NULL REFERENCES sources (sha256),
    parent_sha TEXT REFERENCES sources (sha256),
    edit TEXT NOT NULL DEFAULT 'null' CHECK (json_valid(edit)),
    diff TEXT NOT NULL DEFAULT '',
    summary TEXT NOT NULL DEFAULT '',
    policy TEXT,
    proposal_number INTEGER,
    log_prob REAL,
    why TEXT NOT NULL DEFAULT '',
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'interrupted', 'keep', 'discard',
        'abort', 'crash', 'timeout', 'oom', 'invalid', 'veto')),
    reason TEXT NOT NULL DEFAULT '',
    val_bpb REAL,
    sealed_bpb REAL,
    delta REAL,
    seconds REAL,
    wall_seconds REAL,
    startup_seconds REAL,
    score_seconds REAL,
    steps INTEGER,
    peak_memory_mb REAL,
    device TEXT,
    slot INTEGER,
    attempt INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    supervisor_pid INTEGER,
    supervisor_start INTEGER,
    supervisor_boot TEXT,
    CHECK ((status IN ('keep', 'discard')) = (val_bpb IS NOT NULL)),
    CHECK ((status IN ('queued', 'running', 'interrupted')) = (ended_at IS NULL)),
    CHECK (supervisor_pid IS NULL OR status = 'running'),
    UNIQUE (policy, proposal_number)
) STRICT;
CREATE INDEX experiments_by_status ON experiments (status);
CREATE INDEX experiments_by_source ON experiments (source_sha);
CREATE INDEX experiments_by_subject ON experiments (subject_id);

CREATE TABLE incumbents (
    seq INTEGER PRIMARY KEY,
    epoch_id INTEGER NOT NULL REFERENCES epochs (id),
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    since TEXT NOT NULL,
    score REAL NOT NULL,            -- mean of the experiment and its re-runs
    sigma REAL
) STRICT;

CREATE TABLE curves (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    attempt INTEGER NOT NULL,
    points TEXT NOT NULL CHECK (json_valid(points)),  -- [[progress, step, loss], ...]
    PRIMARY KEY (experiment_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    attempt INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (experiment_id, attempt)
) STRICT;

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    type TEXT NOT NULL,
    experiment_id INTEGER REFERENCES experiments (id),
    data TEXT NOT NULL CHECK (json_valid(data))
) STRICT;
CREATE INDEX events_by_type ON events (type);

-- What the policy was asked and told, in order; each at most once for an experiment.
CREATE TABLE policy_log (
    seq INTEGER PRIMARY KEY,
    operation TEXT NOT NULL CHECK (operation IN ('ask', 'tell', 'observe')),
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    status TEXT,                    -- as it was told; NULL for 'ask'
    UNIQUE (experiment_id, operation)
) STRICT;

CREATE TABLE policy_states (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL,
    log_seq INTEGER NOT NULL,       -- last policy_log.seq that it contains; 0 is none
    created_at TEXT NOT NULL
) STRICT;
