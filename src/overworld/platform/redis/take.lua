-- Takes from many token buckets at once: KEYS are the buckets, ARGV is the time in microseconds (empty: Redis's own),
-- then for each key how long it takes to fill and what is asked for, both in microseconds of filling.
-- Answers two whole numbers for each: how far the bucket is from full, and how long to wait (0: it was taken).
-- A bucket is the time at which it will be full; full ones are forgotten. Source: GCRA, ITU-T I.371.
local ROUNDING_US = 1
local KEPT_LONGER_MS = 60000 -- for a clock that is not Redis's own, and may run behind it

local now_us, kept_longer_ms = tonumber(ARGV[1]), KEPT_LONGER_MS
if not now_us then
  local time = redis.call('TIME')
  now_us, kept_longer_ms = time[1] * 1000000 + time[2], 0
end

local function keep(key, full_at_us)
  local kept_ms = math.ceil((full_at_us - now_us) / 1000) + kept_longer_ms
  redis.call('SET', key, string.format('%.17g', full_at_us), 'PX', string.format('%.0f', kept_ms))
end

local told = {}
for i, key in ipairs(KEYS) do
  local fill_us, cost_us = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local full_at_us = math.max(tonumber(redis.call('GET', key) or now_us), now_us)
  if full_at_us > now_us + fill_us + ROUNDING_US then -- the limit was a larger one, or the clock went back
    full_at_us = now_us + fill_us
    keep(key, full_at_us)
  end
  local wanted_us = full_at_us + cost_us
  local wait_us = wanted_us - now_us - fill_us
  if wait_us <= ROUNDING_US then
    wait_us = 0
    full_at_us = wanted_us
    if cost_us > 0 then keep(key, wanted_us) end
  end
  told[2 * i - 1] = math.ceil(full_at_us - now_us)
  told[2 * i] = math.ceil(wait_us)
end
return told
