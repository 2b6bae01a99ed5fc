-- Make uploaded chunks a base next to a version that is already in the chain. Head does not move.
-- KEYS 1 bases 2 epoch 3 owner 4 meta of the base 5 meta of that version 6.. chunks
-- ARGV 1 epoch 2 owner 3 id of the base 4 seq 5 manifest
local stored = tonumber(redis.call('GET', KEYS[2]) or '0')
local epoch = tonumber(ARGV[1])
if epoch < stored or (epoch == stored and redis.call('GET', KEYS[3]) ~= ARGV[2]) then return 'FENCED ' .. stored end
if redis.call('EXISTS', KEYS[4]) == 1 then return 'DUP' end
if redis.call('EXISTS', KEYS[5]) == 0 then return 'PARENT ' end
for i = 6, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'MISSING ' .. KEYS[i] end
end
for i = 6, #KEYS do redis.call('PERSIST', KEYS[i]) end
redis.call('SET', KEYS[4], ARGV[5])
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
return 'OK'
