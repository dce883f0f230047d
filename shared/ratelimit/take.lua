-- Decides one call over several logs: added to all of them, or to none. The model is window.go.
-- KEYS  one log for each policy: a string of the times of calls in microseconds, 7 bytes each, oldest first. Whatever else
--       stands there counts as none, and is replaced.
-- ARGV  now (0: this server's clock), cost, then for each key: limit, window in microseconds, lifetime in milliseconds
-- gives allowed (0 or 1), the time that was counted, then for each key: the calls that counted before this one, and in
--       microseconds when the oldest leaves the window, or, where the key refused, when it would allow
local call, byte, floor = redis.call, string.byte, math.floor
local width = 7

local function at(log, index)
  local a, b, c, d, e, f, g = byte(log, width * index + 1, width * index + width)
  return (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g
end

-- expired counts the times up to edge, of which the first one is, and the last one is not.
local function expired(log, length, edge)
  local low, high = 0, length - 1
  while high - low > 1 do
    local middle = floor((low + high) / 2)
    if at(log, middle) <= edge then low = middle else high = middle end
  end
  return high
end

local clock = tonumber(ARGV[1])
if clock == 0 then
  local time = call('TIME')
  clock = time[1] * 1000000 + time[2]
end
local cost, now = tonumber(ARGV[2]), clock
local logs, newest = call('MGET', unpack(KEYS)), {0, 0}
for i = 1, #KEYS do
  local log = logs[i]
  if log and #log > 0 and #log % width == 0 then
    newest[i] = at(log, #log / width - 1)
    if newest[i] > now then now = newest[i] end -- a clock that steps back must not make counted calls younger
  else
    newest[i] = 0
  end
end

local result = {1, now, 0, 0, 0, 0}
for i = 1, #KEYS do
  local limit, window = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local log, used, reset = '', 0, 0
  if newest[i] > now - window then
    log, used = logs[i], #logs[i] / width
    -- After a step back the key would live for as long as the step: it need not, its calls are older than it.
    if newest[i] > clock and call('PTTL', KEYS[i]) > tonumber(ARGV[3 * i + 2]) then
      call('PEXPIRE', KEYS[i], ARGV[3 * i + 2])
    end
    local oldest = at(log, 0)
    if oldest <= now - window then
      local gone = expired(log, used, now - window)
      oldest, used = at(log, gone), used - gone
      log = string.sub(log, gone * width + 1)
    end
    reset = oldest + window - now
  end
  local over = used + cost - limit
  if over > 0 then
    result[1] = 0
    reset = over <= used and at(log, over - 1) + window - now or window
  end
  logs[i] = log
  result[2 * i + 1], result[2 * i + 2] = used, reset
end
if result[1] == 0 then -- and nothing is written: what it removed would be missed if the clock stepped back
  return result
end

local stamp = string.char(floor(now / 2 ^ 48), floor(now / 2 ^ 40) % 256, floor(now / 2 ^ 32) % 256,
  floor(now / 2 ^ 24) % 256, floor(now / 2 ^ 16) % 256, floor(now / 2 ^ 8) % 256, now % 256)
if cost > 1 then stamp = string.rep(stamp, cost) end
for i = 1, #KEYS do
  call('SET', KEYS[i], logs[i] .. stamp, 'PX', ARGV[3 * i + 2])
end
return result
