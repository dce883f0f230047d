-- Decides one call over several logs: added to all of them, or to none. The model is window.go.
-- KEYS  one log for each policy: a list of times in microseconds, oldest first
-- ARGV  now (0: this server's clock), cost, then limit and window in microseconds for each key
-- gives allowed (0 or 1), the time that was counted, then for each key: remaining, reset in microseconds, refused (0 or 1)
local slack = 1000 -- milliseconds that a key outlives its window, so that the server's two clocks cannot cut it short

local function at(key, index)
  return tonumber(redis.call('LINDEX', key, index))
end

-- expired counts the times up to edge, of which the first one is, and the last one is not. It jumps ahead in growing
-- steps, then searches between the last two: usually one call is to go, rarely thousands.
local function expired(key, used, edge)
  local low, high = 0, 1
  while high < used - 1 and at(key, high) <= edge do
    low = high
    high = high * 2
  end
  high = math.min(high, used - 1)
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if at(key, middle) <= edge then low = middle else high = middle end
  end
  return high
end

local clock = tonumber(ARGV[1])
if clock == 0 then
  local time = redis.call('TIME')
  clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local cost = tonumber(ARGV[2])
local now = clock
local newest = {}
for i, key in ipairs(KEYS) do -- a clock that steps back must not make counted calls younger
  newest[i] = redis.call('LINDEX', key, -1)
  if newest[i] then now = math.max(now, tonumber(newest[i])) end
end

local allowed = 1
local result, gone, used, expiry = {}, {}, {}, {}
for i, key in ipairs(KEYS) do
  local limit, length = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local reset, refused = 0, 0
  gone[i], used[i], expiry[i] = 0, 0, math.ceil(length / 1000) + slack
  if newest[i] and tonumber(newest[i]) > now - length then
    local oldest = at(key, 0)
    used[i] = redis.call('LLEN', key)
    if oldest <= now - length then
      gone[i] = expired(key, used[i], now - length)
      oldest, used[i] = at(key, gone[i]), used[i] - gone[i]
    end
    reset = oldest + length - now
    -- After a step back the key would be kept for as long as the step: it need not be, its calls are older than it.
    if tonumber(newest[i]) > clock and redis.call('PTTL', key) > expiry[i] then redis.call('PEXPIRE', key, expiry[i]) end
  end
  local over = used[i] + cost - limit
  if over > 0 then
    allowed = 0
    refused = 1
    reset = over <= used[i] and at(key, gone[i] + over - 1) + length - now or length
  end
  result[3 * i] = math.max(0, limit - used[i])
  result[3 * i + 1] = reset
  result[3 * i + 2] = refused
end

local stamp = string.format('%.0f', now)
for i, key in ipairs(KEYS) do
  if allowed == 1 then -- a refused call writes nothing: what it removed would be missed if the clock stepped back
    if used[i] == 0 and newest[i] then
      redis.call('DEL', key)
    elseif gone[i] > 0 then
      redis.call('LTRIM', key, gone[i], -1)
    end
    for _ = 1, cost do redis.call('RPUSH', key, stamp) end
    redis.call('PEXPIRE', key, expiry[i])
    result[3 * i] = result[3 * i] - cost
    if used[i] == 0 then result[3 * i + 1] = tonumber(ARGV[2 * i + 2]) end
  end
  result[3 * i + 1] = string.format('%.0f', result[3 * i + 1])
end
result[1] = allowed
result[2] = stamp
return result
