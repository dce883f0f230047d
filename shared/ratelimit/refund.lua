-- Takes back a counted call. Calls of one host in one microsecond are equal, so it removes any of them.
-- KEYS  the log in the form of take.lua
-- ARGV  the entry that was added for each unit of cost, and the cost
local entry, cost = ARGV[1], tonumber(ARGV[2])
local log, from, changed = redis.call('MGET', KEYS[1])[1] or '', 1, false
if #log % #entry ~= 0 then return 0 end
while cost > 0 do
  from = string.find(log, entry, from, true)
  if not from then break end
  if from % #entry == 1 then
    log, cost, changed = string.sub(log, 1, from - 1) .. string.sub(log, from + #entry), cost - 1, true
  else
    from = from + 1
  end
end
if changed and log == '' then
  redis.call('DEL', KEYS[1])
elseif changed then
  redis.call('SET', KEYS[1], log, 'KEEPTTL')
end
return 1
