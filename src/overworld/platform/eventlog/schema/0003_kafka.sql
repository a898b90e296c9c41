-- How far each consumer has read each partition of Kafka; kept here so that a fold moves it with what it writes.
-- seen is the place in this log of the last event passed there: one that the relay sent twice is known by it.
CREATE TABLE eventlog.kafka_place (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    next_offset bigint NOT NULL,
    seen text NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, topic, partition)
);

-- Counts the clusters that this log has lived in: places of one are not to be compared with those of another.
CREATE TABLE eventlog.era (
    is_alone boolean PRIMARY KEY DEFAULT true CHECK (is_alone),
    number int NOT NULL
);

INSERT INTO eventlog.era (number) VALUES (0);
