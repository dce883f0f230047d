-- Decides one call over several logs: added to all of them, or to none. The model is window.go.
-- KEYS  one log for each policy: a list of times in microseconds, oldest first
-- ARGV  now (0: this server's clock), cost, then limit and window in microseconds for each key
-- gives allowed (0 or 1), the time that was counted, then for each key: remaining, reset in microseconds, refused (0 or 1)
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
for _, key in ipairs(KEYS) do -- a clock that steps back must not make counted calls younger
  local newest = redis.call('LINDEX', key, -1)
  if newest then now = math.max(now, tonumber(newest)) end
end
local cost = tonumber(ARGV[2])
local allowed = 1
local refused, reset, used = {}, {}, {}
for i, key in ipairs(KEYS) do
  local limit, length = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local oldest = redis.call('LINDEX', key, 0)
  while oldest and tonumber(oldest) <= now - length do -- each call is removed once, so this costs what adding did
    redis.call('LPOP', key)
    oldest = redis.call('LINDEX', key, 0)
  end
  used[i] = redis.call('LLEN', key)
  reset[i] = oldest and tonumber(oldest) + length - now or length
  refused[i] = 0
  local over = used[i] + cost - limit
  if over > 0 then
    allowed = 0
    refused[i] = 1
    local freed = over <= used[i] and redis.call('LINDEX', key, over - 1)
    reset[i] = freed and tonumber(freed) + length - now or length
  end
end
local stamp = string.format('%.0f', now)
local result = {allowed, stamp}
for i, key in ipairs(KEYS) do
  local limit, length = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  if allowed == 1 then
    for _ = 1, cost do redis.call('RPUSH', key, stamp) end
    redis.call('PEXPIRE', key, math.ceil(length / 1000) + 1000) -- a second of slack for the two clocks
    used[i] = used[i] + cost
  elseif used[i] == 0 then
    reset[i] = refused[i] == 1 and reset[i] or 0
  end
  result[#result + 1] = math.max(0, limit - used[i])
  result[#result + 1] = string.format('%.0f', reset[i])
  result[#result + 1] = refused[i]
end
return result
