-- One batch of events into the log, for whoever writes in SQL of their own; readers get a hint at the commit.
CREATE FUNCTION eventlog.append(happened timestamptz, topics text[], events bytea) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO eventlog.outbox (at, topics, events) VALUES (happened, topics, events);
    SELECT pg_notify('eventlog', '')
$$;
