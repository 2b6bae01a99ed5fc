-- Set the attributes of the user whom an id stands for, once for each order.
-- KEYS 1 watermarks 2 user by id 3 attributes by user 4 users, all with one score
-- ARGV 1 field of the watermark 2 offset of the order 3 id 4 JSON object, empty for none 5 beat that must be there
-- Returns the beat, -1 when this Redis went back behind the one expected: then nothing is written.
local beat = tonumber(redis.call('HGET', KEYS[1], 'beat') or '0')
if beat < tonumber(ARGV[5]) then return -1 end
local passed = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if tonumber(ARGV[2]) <= passed then return beat end
local user = redis.call('HGET', KEYS[2], ARGV[3]) or ARGV[3]
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[3], user)
else
  redis.call('HSET', KEYS[3], user, ARGV[4])
  redis.call('ZADD', KEYS[4], 0, user)
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local time = redis.call('TIME')
beat = math.max(beat + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'beat', string.format('%.0f', beat))
return beat
