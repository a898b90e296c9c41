-- Sends the requests of a file in turn, and tells what came of them as one line of JSON.
--   wrk -s wrk.lua URL -- FILE FIRST_STEP
-- A line is a whole request with \r\n spelled out. In one with a fix, @LAT@ is the latitude at step 0 and #TIME# its
-- time: with every turn through the file the player is a second older and a step (1.4 m) farther north.

local STEP_LAT_DEG, FIRST_TIME = 1.4 / 111195, 1577836800
local requests, i, step, now = {}, 0, 0, ""

local function read(line)
  line = line:gsub("\\r\\n", "\r\n")
  local head, lat, middle, tail = line:match("^(.*)@([%d.]+)@(.*)#TIME#(.*)$")
  return head and {head = head, lat = tonumber(lat), middle = middle, tail = tail} or line
end

local function begin_turn()
  step = step + 1
  now = os.date("!%Y-%m-%dT%H:%M:%SZ", FIRST_TIME + step)
end

function init(args)
  for line in io.lines(args[1]) do requests[#requests + 1] = read(line) end
  step = tonumber(args[2])
  begin_turn()
end

function request()
  i = i + 1
  if i > #requests then
    i = 1
    begin_turn()
  end
  local wanted = requests[i]
  if type(wanted) == "string" then return wanted end
  local lat = string.format("%.7f", wanted.lat + step * STEP_LAT_DEG)
  return wanted.head .. lat .. wanted.middle .. now .. wanted.tail
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
