-- Which collections paid a share alone, so that an answer that is given again says so again.
CREATE TABLE gameplay.reduced (
    transfer_id uuid PRIMARY KEY
);

-- Volatile, so that it sees what was committed while the statement that calls it waited for others.
CREATE FUNCTION gameplay.reduced_among(wanted uuid[]) RETURNS uuid[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(transfer_id), '{}') FROM gameplay.reduced WHERE transfer_id = ANY (wanted));
END $$;
