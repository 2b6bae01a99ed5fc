-- Put each event of a batch in front of its user's history, once: what a partition's watermark has passed is skipped.
-- KEYS 1 watermarks 2.. histories
-- ARGV 1 topic id 2 seconds to live 3 entries kept 4 msgpack: for each history a flat list partition, offset, entry, ...
local lists, cap = cmsgpack.unpack(ARGV[4]), tonumber(ARGV[3])
local passed, highest = {}, {}
for i = 1, #lists do
  local list, fresh = lists[i], {}
  for j = 1, #list, 3 do
    local partition, offset = list[j], list[j + 1]
    if passed[partition] == nil then
      passed[partition] = tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. ':' .. partition) or '-1')
      highest[partition] = passed[partition]
    end
    if offset > passed[partition] then
      fresh[#fresh + 1] = list[j + 2]
      if offset > highest[partition] then highest[partition] = offset end
    end
  end
  if #fresh > 0 then
    local length
    for j = 1, #fresh, 1000 do  -- unpack has a limit of some thousands
      length = redis.call('LPUSH', KEYS[i + 1], unpack(fresh, j, math.min(j + 999, #fresh)))
    end
    if length > cap then redis.call('LTRIM', KEYS[i + 1], 0, cap - 1) end
    redis.call('EXPIRE', KEYS[i + 1], ARGV[2])
  end
end
for partition, offset in pairs(highest) do
  redis.call('HSET', KEYS[1], ARGV[1] .. ':' .. partition, string.format('%.0f', offset))
end
return 'OK'
