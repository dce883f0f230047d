-- Takes a call back that was counted.
-- KEYS  the logs of the call
-- ARGV  the time that was counted, and the cost
for _, key in ipairs(KEYS) do
  redis.call('LREM', key, -tonumber(ARGV[2]), ARGV[1])
end
return 1
