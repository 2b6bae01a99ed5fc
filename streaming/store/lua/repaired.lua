-- Say that what this Redis had lost is written again. A new name of the store makes followers read all facts.
-- KEYS 1 watermarks of histories 2 marks of facts   ARGV 1 new name of the store
local time = redis.call('TIME')
for i = 1, 2 do
  local beat = tonumber(redis.call('HGET', KEYS[i], 'beat') or '0')
  beat = math.max(beat + 1, time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', KEYS[i], 'beat', string.format('%.0f', beat))
  redis.call('HDEL', KEYS[i], 'repair')
end
redis.call('HSET', KEYS[2], 'store', ARGV[1])
return 'OK'
