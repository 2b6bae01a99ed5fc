-- Delete a user's history and the pages shown to the user, once, and write to the receipt how many there were.
-- KEYS 1 watermarks 2 history 3 receipt 4 stream of erasures 5 pages shown
-- ARGV 1 field of the watermark 2 offset of the order 3 seconds a receipt lives 4 hash of the user 5 erasures kept
--      6 seconds from now in which pages are not taken either 7 seconds that this is remembered 8 beat that must be there
-- Returns the beat, -1 when this Redis went back behind the one expected: then nothing is erased.
local beat = tonumber(redis.call('HGET', KEYS[1], 'beat') or '0')
if beat < tonumber(ARGV[8]) then return -1 end
local passed = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if tonumber(ARGV[2]) <= passed then return beat end
local raw = redis.call('GET', KEYS[5])
local shown = raw and #cmsgpack.unpack(raw)[2] or 0
redis.call('HSET', KEYS[3], 'history', redis.call('LLEN', KEYS[2]), 'shown', shown)
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('UNLINK', KEYS[2])
-- An earlier page may still be on its way, or be read again by the next learner.
local till = tonumber(redis.call('TIME')[1]) + tonumber(ARGV[6])
redis.call('SET', KEYS[5], cmsgpack.pack({till, {}}), 'EX', ARGV[7])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'u', ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local time = redis.call('TIME')
beat = math.max(beat + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'beat', string.format('%.0f', beat))
return beat
