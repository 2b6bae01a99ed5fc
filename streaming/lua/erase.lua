-- Forget a user's history, once, and tell the receipt how many entries there were.
-- KEYS 1 watermarks 2 history 3 receipt 4 stream of erasures
-- ARGV 1 field of the watermark 2 offset of the order 3 seconds a receipt lives 4 hash of the user 5 erasures kept
local passed = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if tonumber(ARGV[2]) <= passed then return 'DUP' end
redis.call('HSET', KEYS[3], 'history', redis.call('LLEN', KEYS[2]))
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('UNLINK', KEYS[2])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'u', ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 'OK'
