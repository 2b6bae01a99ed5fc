#!lua flags=allow-oom
-- A rollback whose audit record cannot be written: state and pointer change together, even at maxmemory.
-- KEYS 1 gate 2 serving 3 prev 4 meta of the version to serve
-- ARGV 1 revision the decision was made at 2 new state 3 id and seq of the version as 'id seq'
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[1] then
  if tonumber(revision) == ARGV[1] + 1 and redis.call('HGET', KEYS[1], 'state') == ARGV[2] then return 'OK' end
  return 'LOST'
end
if redis.call('EXISTS', KEYS[4]) == 0 then return 'GONE ' .. KEYS[4] end
local old = redis.call('HMGET', KEYS[2], 'id', 'seq')
local id, seq = string.match(ARGV[3], '^(%S+) (%d+)$')
redis.call('HSET', KEYS[2], 'id', id, 'seq', seq)
if old[1] then redis.call('HSET', KEYS[3], 'id', old[1], 'seq', old[2]) end
redis.call('HSET', KEYS[1], 'revision', ARGV[1] + 1, 'state', ARGV[2])
return 'OK'
