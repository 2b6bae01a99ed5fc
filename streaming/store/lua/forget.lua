-- Unlink versions that no pointer needs, unless a pointer has moved since that was determined.
-- KEYS 1 idx 2 bases 3 epoch 4 owner 5..4+n pointers 5+n gate, then metas and chunks
-- ARGV 1 epoch 2 owner 3 n 4..3+n ids the pointers had 4+n anchors the gate had, then ids of versions
local stored = tonumber(redis.call('GET', KEYS[3]) or '0')
local epoch = tonumber(ARGV[1])
if epoch < stored or (epoch == stored and redis.call('GET', KEYS[4]) ~= ARGV[2]) then return 'FENCED ' .. stored end
local pointers = tonumber(ARGV[3])
for i = 1, pointers do
  if (redis.call('HGET', KEYS[4 + i], 'id') or '') ~= ARGV[3 + i] then return 'MOVED ' .. KEYS[4 + i] end
end
if (redis.call('HGET', KEYS[5 + pointers], 'anchors') or '') ~= ARGV[4 + pointers] then return 'MOVED anchors' end
for i = 5 + pointers, #ARGV do
  redis.call('ZREM', KEYS[1], ARGV[i])
  redis.call('ZREM', KEYS[2], ARGV[i])
end
for i = 6 + pointers, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 'OK'
