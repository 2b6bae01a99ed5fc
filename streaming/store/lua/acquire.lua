-- Take the lease when it is free or held under the same instance name. The epoch grows even if Redis lost its own.
-- KEYS 1 lease 2 epoch 3 owner 4 head   ARGV 1 token 2 instance 3 ttl in ms 4 the caller's last epoch
local holder = redis.call('GET', KEYS[1])
-- A token is the instance name, a colon and 16 hex digits.
if holder and string.sub(holder, 1, -18) ~= ARGV[2] then return 0 end
local stored = tonumber(redis.call('GET', KEYS[2]) or '0')
local committed = tonumber(redis.call('HGET', KEYS[4], 'epoch') or '0')
local epoch = math.max(stored, committed, tonumber(ARGV[4])) + 1
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[3], ARGV[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return epoch
