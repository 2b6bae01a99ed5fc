-- Prolong our lease. Take it back when it expired, or Redis lost it, and nobody has acquired it since.
-- KEYS 1 lease 2 epoch 3 owner   ARGV 1 token 2 epoch 3 ttl in ms
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if not holder then
  local owner = redis.call('GET', KEYS[3])
  if owner and owner ~= ARGV[1] then return 0 end
  if tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[2]) then return 0 end
  redis.call('SET', KEYS[2], ARGV[2])
  redis.call('SET', KEYS[3], ARGV[1])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
