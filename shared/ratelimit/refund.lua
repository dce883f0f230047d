-- Takes a call back that was counted. Calls of one microsecond are alike, so any of them stands for it.
-- KEYS  the logs of the call, as take.lua keeps them
-- ARGV  the time that was counted, and the cost
local width = 7

local function at(log, index)
  local a, b, c, d, e, f, g = string.byte(log, width * index + 1, width * index + width)
  return (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g
end

local time, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local logs = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do
  local log = logs[i] or ''
  if #log % width ~= 0 then log = '' end
  local last = #log / width -- how many calls there are up to the time
  while last > 0 and at(log, last - 1) > time do last = last - 1 end
  local first = last -- how many of them stay
  while first > 0 and last - first < cost and at(log, first - 1) == time do first = first - 1 end
  local rest = string.sub(log, 1, first * width) .. string.sub(log, last * width + 1)
  if first < last and rest == '' then
    redis.call('DEL', KEYS[i])
  elseif first < last then
    redis.call('SET', KEYS[i], rest, 'KEEPTTL')
  end
end
return 1
