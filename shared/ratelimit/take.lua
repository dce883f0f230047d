-- Decides one call with its log: it is counted for all policies, or not at all. The model is window.go.
-- KEYS  the log: a string of the allowed calls, oldest first, each with its time in microseconds in 7 bytes and its
-- host in
--       2. Any other content counts as empty and is replaced.
-- ARGV  now (0: this server's clock), the host, the cost
-- These locals are inserted before this text, so that the server does not parse them for each call:
--       policies: for each its limit, its window in microseconds, and whether it counts only the calls of the host
--       longest:  the longest window
--       lifetime: of a log, in milliseconds
-- Returns allowed (0 or 1) and the counted time, then for each policy: the number of calls that counted before this
-- one, and
--       the microseconds until the oldest leaves the window, or, if the policy refused, until it would allow.
local call, byte, floor, sub = redis.call, string.byte, math.floor, string.sub
local width, log, mine = 9, '', nil

-- at returns the time of the n-th call, or of the n-th picked call.
local function at(n, picked)
  if picked then n = picked[n] end
  local a, b, c, d, e, f, g = byte(log, width * n - 8, width * n - 2)
  return (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g
end

-- expired returns the number of calls up to a time.
local function expired(count, edge, picked)
  if count == 0 or at(1, picked) > edge then return 0 end
  local low, high = 1, count -- calls up to low have expired, calls after high have not
  while low < high do
    local middle = floor((low + high + 1) / 2)
    if at(middle, picked) <= edge then low = middle else high = middle - 1 end
  end
  return low
end

-- callsOf returns the numbers of a host's calls.
local function callsOf(host)
  local find, numbers, count = string.find, {}, 0
  local first = find(log, host, width - 1, true)
  while first do
    if first % width == width - 1 then
      count = count + 1
      numbers[count] = (first + 1) / width
      first = find(log, host, first + #host, true)
    else
      first = find(log, host, first + 1, true)
    end
  end
  return numbers
end

local clock = tonumber(ARGV[1])
if clock == 0 then
  local time = call('TIME')
  clock = time[1] * 1000000 + time[2]
end
local now, host, cost = clock, ARGV[2], tonumber(ARGV[3])
local stored = call('MGET', KEYS[1])[1]
if stored and stored ~= '' and #stored % width == 0 then
  log = stored
  local newest = at(#log / width)
  if newest > clock then
    now = newest -- a clock that steps back must not make counted calls younger
    -- Without this the key would live as long as the clock step, although its calls are older.
    if call('PTTL', KEYS[1]) > lifetime then call('PEXPIRE', KEYS[1], lifetime) end
  end
  local gone = expired(#log / width, now - longest)
  if gone > 0 then log = sub(log, gone * width + 1) end
end

local result = {1, now}
for i = 1, #policies do
  local limit, window, hostOnly = unpack(policies[i])
  local used, reset, gone, picked = 0, 0, 0, nil
  if log ~= '' then
    local count = #log / width
    if hostOnly then
      mine = mine or callsOf(host)
      picked, count = mine, #mine
    end
    gone = expired(count, now - window, picked)
    used = count - gone
    if used > 0 then reset = at(gone + 1, picked) + window - now end
  end
  local over = used + cost - limit
  if over > 0 then
    result[1] = 0
    reset = over <= used and at(gone + over, picked) + window - now or window
  end
  result[2 * i + 1], result[2 * i + 2] = used, reset
end
if result[1] == 0 then -- nothing is written: removed calls would be missing if the clock stepped back
  return result
end

local entry = string.char(floor(now / 2 ^ 48), floor(now / 2 ^ 40) % 256, floor(now / 2 ^ 32) % 256,
  floor(now / 2 ^ 24) % 256, floor(now / 2 ^ 16) % 256, floor(now / 2 ^ 8) % 256, now % 256) .. host
if cost > 1 then entry = string.rep(entry, cost) end
call('SET', KEYS[1], log .. entry, 'PX', lifetime)
return result
