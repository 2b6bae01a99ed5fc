-- Delete the histories and attributes of a user's ids and the slates shown to them, once, and write to the receipt how
-- many there were.
-- KEYS 1 watermarks 2 receipt 3 stream of erasures 4 user by id 5 ids by user 6 attributes by user
--      7 users, all with one score 8.. of each id: history, slates shown
-- ARGV 1 field of the watermark 2 offset of the order 3 seconds a receipt lives 4 erasures kept
--      5 seconds from now in which slates are not taken either 6 seconds that this is remembered
--      7 msgpack: for each id the id and its hash 8 beat that must be there
-- Returns the beat, -1 when this Redis went back behind the one expected: then nothing is erased.
local beat = tonumber(redis.call('HGET', KEYS[1], 'beat') or '0')
if beat < tonumber(ARGV[8]) then return -1 end
local passed = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if tonumber(ARGV[2]) <= passed then return beat end
local ids, history, shown, attributes = cmsgpack.unpack(ARGV[7]), 0, 0, 0
-- An earlier slate may still be on its way, or be read again by the next learner.
local ends = tonumber(redis.call('TIME')[1]) + tonumber(ARGV[5])
for at, id in ipairs(ids) do
  local place = 6 + 2 * at
  local raw = redis.call('GET', KEYS[place + 1])
  shown = shown + (raw and #cmsgpack.unpack(raw)[2] or 0)
  history = history + redis.call('LLEN', KEYS[place])
  redis.call('UNLINK', KEYS[place])
  redis.call('SET', KEYS[place + 1], cmsgpack.pack({ends, {}}), 'EX', ARGV[6])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'u', id[2])
  redis.call('HDEL', KEYS[4], id[1])
  redis.call('HDEL', KEYS[5], id[1])
  redis.call('ZREM', KEYS[7], id[1])
  attributes = attributes + redis.call('HDEL', KEYS[6], id[1])
end
redis.call('HSET', KEYS[2], 'history', history, 'shown', shown, 'attributes', attributes)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local time = redis.call('TIME')
beat = math.max(beat + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'beat', string.format('%.0f', beat))
return beat
