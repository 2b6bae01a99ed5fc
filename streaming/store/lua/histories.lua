-- Put each event of one partition in front of its user's history, once: offsets up to the watermark are skipped.
-- KEYS 1 watermarks 2 users, all with one score 3.. histories
-- ARGV 1 field of the watermark 2 lowest offset 3 highest offset 4 seconds to live 5 entries kept 6 renewal
--      7 msgpack: for each history its entries, oldest first, each "partition:offset time kind item"
--      8 beat that must be there 9 bytes of a key of a history before the user
-- Returns the beat, -1 when this Redis went back behind the one expected: then nothing is written.
local beat = tonumber(redis.call('HGET', KEYS[1], 'beat') or '0')
if beat < tonumber(ARGV[8]) then return -1 end
local lists, cap, every = cmsgpack.unpack(ARGV[7]), tonumber(ARGV[5]), tonumber(ARGV[6])
local passed = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if tonumber(ARGV[3]) <= passed then return beat end
local some_passed = tonumber(ARGV[2]) <= passed
for i = 1, #lists do
  local list = lists[i]
  if some_passed then
    local new = {}
    for j = 1, #list do
      if tonumber(string.match(list[j], '^%d+:(%d+)')) > passed then new[#new + 1] = list[j] end
    end
    list = new
  end
  local key, count, length = KEYS[i + 2], #list, nil
  if count == 1 then
    length = redis.call('LPUSH', key, list[1])
  else
    for j = 1, count, 1000 do  -- unpack has a limit of some thousands
      length = redis.call('LPUSH', key, unpack(list, j, math.min(j + 999, count)))
    end
  end
  -- A new list, or one whose length has just reached or passed a multiple of `every`.
  if count > 0 and (length == count or length % every < count) then
    if length > cap then redis.call('LTRIM', key, 0, cap - 1) end
    redis.call('EXPIRE', key, ARGV[4])
    if length == count then redis.call('ZADD', KEYS[2], 0, string.sub(key, ARGV[9] + 1)) end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local time = redis.call('TIME')
beat = math.max(beat + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'beat', string.format('%.0f', beat))
return beat
