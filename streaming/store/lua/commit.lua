-- Make uploaded chunks a version and move head to it, all or nothing.
-- KEYS 1 head 2 idx 3 epoch 4 owner 5 meta 6 bases 7.. chunks
-- ARGV 1 epoch 2 owner 3 id 4 seq 5 parent, '' for a base 6 manifest
local stored = tonumber(redis.call('GET', KEYS[3]) or '0')
local epoch = tonumber(ARGV[1])
if epoch < stored or (epoch == stored and redis.call('GET', KEYS[4]) ~= ARGV[2]) then return 'FENCED ' .. stored end
local head = redis.call('HGET', KEYS[1], 'id')
if head == ARGV[3] then return 'DUP' end
local seq = redis.call('HGET', KEYS[1], 'seq')
if tonumber(ARGV[4]) <= tonumber(seq or '0') then return 'STALE ' .. seq end
if ARGV[5] ~= '' and head ~= ARGV[5] then return 'PARENT ' .. (head or '') end
for i = 7, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'MISSING ' .. KEYS[i] end
end
-- PERSIST comes first: it is allowed at maxmemory, and after it Redis lets the script write the rest.
for i = 7, #KEYS do redis.call('PERSIST', KEYS[i]) end
if epoch > stored then  -- a failover lost our epoch: without this the next owner would start below it
  redis.call('SET', KEYS[3], ARGV[1])
  redis.call('SET', KEYS[4], ARGV[2])
end
redis.call('SET', KEYS[5], ARGV[6])
redis.call('HSET', KEYS[1], 'id', ARGV[3], 'seq', ARGV[4], 'epoch', ARGV[1], 'owner', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
if ARGV[5] == '' then redis.call('ZADD', KEYS[6], ARGV[4], ARGV[3]) end
return 'OK'
