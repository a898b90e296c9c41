-- Left to itself PostgreSQL plans these anew in every batch, for the length of an array looks like a reason to. There is one
-- plan for each: a loop over the arrays in their order.
ALTER FUNCTION ledger.move SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION ledger.record SET plan_cache_mode = force_generic_plan;
