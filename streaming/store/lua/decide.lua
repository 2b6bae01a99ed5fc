-- One gate decision: state, audit record and pointers change together, or nothing does.
-- KEYS 1 gate 2 audit 3 serving 4 prev 5 reference 6 pinned, then metas of the versions named
-- ARGV 1 revision the decision was made at 2 new state 3 audit record 4 entries of audit kept, then for each of
-- serving, reference, pinned: '-' keeps it, '' removes it, else an id and its seq as 'id seq' 8 anchors as
-- 'id seq id seq ...', '-' keeps them 9 experiments on users, '-' keeps them
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[1] then
  -- Sent again after a lost answer: this same decision has moved the revision.
  if tonumber(revision) == ARGV[1] + 1 and redis.call('HGET', KEYS[1], 'state') == ARGV[2] then return 'OK' end
  return 'LOST'
end
for i = 7, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'GONE ' .. KEYS[i] end
end
local function point(key, value)
  if value == '-' then return end
  if value == '' then redis.call('DEL', key) return end
  local id, seq = string.match(value, '^(%S+) (%d+)$')
  redis.call('HSET', key, 'id', id, 'seq', seq)
end
-- The first write: an audit that takes no record must stop the decision, and a script is not undone.
if ARGV[3] ~= '' then redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'record', ARGV[3]) end
local old = redis.call('HMGET', KEYS[3], 'id', 'seq')
point(KEYS[3], ARGV[5])
point(KEYS[5], ARGV[6])
point(KEYS[6], ARGV[7])
local new = redis.call('HGET', KEYS[3], 'id')
if old[1] and new ~= old[1] then redis.call('HSET', KEYS[4], 'id', old[1], 'seq', old[2]) end
redis.call('HSET', KEYS[1], 'revision', ARGV[1] + 1, 'state', ARGV[2])
if ARGV[8] ~= '-' then redis.call('HSET', KEYS[1], 'anchors', ARGV[8]) end
if ARGV[9] ~= '-' then redis.call('HSET', KEYS[1], 'experiments', ARGV[9]) end
return 'OK'
