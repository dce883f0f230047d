-- Takes a call back that was counted. Calls of one microsecond are alike, so any of them stands for it.
-- KEYS  the logs of the call
-- ARGV  the time that was counted, and the cost
for _, key in ipairs(KEYS) do
  redis.call('LREM', key, -tonumber(ARGV[2]), ARGV[1])
end
return 1
