-- List those of some ids that have a history or attributes, and take the others off the list.
-- KEYS 1 users, all with one score 2 attributes by user 3.. histories   ARGV the ids
-- Returns how many of them are listed.
local listed = 0
for i, id in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 2]) == 1 or redis.call('HEXISTS', KEYS[2], id) == 1 then
    redis.call('ZADD', KEYS[1], 0, id)
    listed = listed + 1
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return listed
