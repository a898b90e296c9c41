-- The trace that a delivery is part of, which its receiver is told.
ALTER TABLE webhooks.delivery ADD COLUMN trace text NOT NULL DEFAULT '';

COMMENT ON COLUMN webhooks.delivery.trace IS 'the traceparent of the event; empty where it is not known';
