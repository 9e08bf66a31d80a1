-- Users who move in by the admin API. What was sent waits here until a server has carried it out, or nobody wants it
-- any more.
CREATE TABLE import_jobs (
    id           UUID        NOT NULL PRIMARY KEY,
    -- Nobody sees one that is being uploaded, and nobody works at it.
    state        TEXT        NOT NULL
        CHECK (state IN ('uploading', 'queued', 'running', 'done', 'failed', 'cancelled')),
    -- It tells what it would do, and changes nothing.
    dry_run      BOOLEAN     NOT NULL,
    -- Whose it is, as events tell it.
    requested_by TEXT        NOT NULL,
    lines        BIGINT      NOT NULL,
    -- Every line up to this one is done.
    lines_done   BIGINT      NOT NULL,
    imported     BIGINT      NOT NULL,
    there        BIGINT      NOT NULL,
    refused      BIGINT      NOT NULL,
    -- The server that works at it, and until when no other one does.
    worker       UUID,
    leased_until TIMESTAMPTZ,
    -- Why it failed.
    error        TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    started_at   TIMESTAMPTZ,
    ended_at     TIMESTAMPTZ,
    CHECK ((state = 'running') = (worker IS NOT NULL)),
    CHECK ((state = 'running') = (leased_until IS NOT NULL)),
    CHECK ((state = 'failed') = (error IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL))
);
CREATE INDEX import_jobs_open ON import_jobs (id) WHERE state IN ('queued', 'running');
CREATE INDEX import_jobs_ended ON import_jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX import_jobs_uploading ON import_jobs (created_at) WHERE state = 'uploading';

-- The lines, some at a time, sealed under a master key: there are passwords' hashes in them.
CREATE TABLE import_chunks (
    id         UUID   NOT NULL PRIMARY KEY,
    job_id     UUID   NOT NULL,
    first_line BIGINT NOT NULL,
    last_line  BIGINT NOT NULL,
    sealed     BYTEA  NOT NULL
);
CREATE UNIQUE INDEX import_chunks_lines ON import_chunks (job_id, last_line);

-- Lines that were refused, and why.
CREATE TABLE import_refusals (
    job_id UUID   NOT NULL,
    line   BIGINT NOT NULL,
    reason TEXT   NOT NULL,
    PRIMARY KEY (job_id, line)
);
