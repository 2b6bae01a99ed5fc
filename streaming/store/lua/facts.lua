-- Store the facts of items, each change once, and append the changes to the log that followers read.
-- KEYS 1 facts 2 log 3 marks 4 gone: removed items by the number of their removal
-- ARGV 1 topic id 2 name of this store, unless it has one 3 entries of log kept 4 removed items kept
--      5 msgpack: flat partition, offset, id, facts (empty: removed), or a list of names and JSON values that are added
--      to what is known, where it has none 6 beat that must be there
-- Returns the beat, -1 when this Redis went back behind the one expected: then nothing is written.
local beat = tonumber(redis.call('HGET', KEYS[3], 'beat') or '0')
if beat < tonumber(ARGV[6]) then return -1 end
local list = cmsgpack.unpack(ARGV[5])
redis.call('HSETNX', KEYS[3], 'store', ARGV[2])
local number = tonumber(redis.call('HGET', KEYS[3], 'changes') or '0')
local passed, highest = {}, {}

-- Known facts with those of a list that they lack; nil when there is nothing to add, or the item was removed.
local function completed(known, said)
  if known == '' then return nil end
  local fields, more = {}, {}
  if known then fields = cjson.decode(known) end
  for j = 1, #said, 2 do
    if fields[said[j]] == nil then more[#more + 1] = cjson.encode(said[j]) .. ':' .. said[j + 1] end
  end
  if #more == 0 then return nil end
  local before = known and string.sub(known, 1, -2) or '{'
  if before ~= '{' then before = before .. ',' end
  return before .. table.concat(more, ',') .. '}'
end

for i = 1, #list, 4 do
  local partition, offset = list[i], list[i + 1]
  if passed[partition] == nil then
    passed[partition] = tonumber(redis.call('HGET', KEYS[3], ARGV[1] .. ':' .. partition) or '-1')
    highest[partition] = passed[partition]
  end
  if offset > passed[partition] then
    local facts = list[i + 3]
    if type(facts) == 'table' then facts = completed(redis.call('HGET', KEYS[1], list[i + 2]), facts) end
    if facts then
      number = number + 1
      redis.call('HSET', KEYS[1], list[i + 2], facts)
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], string.format('%.0f-1', number), 'i', list[i + 2])
      if facts == '' then
        redis.call('ZADD', KEYS[4], number, list[i + 2])
      else
        redis.call('ZREM', KEYS[4], list[i + 2])
      end
    end
    if offset > highest[partition] then highest[partition] = offset end
  end
end
redis.call('HSET', KEYS[3], 'changes', string.format('%.0f', number))
for partition, offset in pairs(highest) do
  redis.call('HSET', KEYS[3], ARGV[1] .. ':' .. partition, string.format('%.0f', offset))
end
local excess = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[4])
if excess > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[4], excess)
  for i = 1, #oldest, 2 do
    redis.call('HDEL', KEYS[1], oldest[i])
  end
end
local time = redis.call('TIME')
beat = math.max(beat + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[3], 'beat', string.format('%.0f', beat))
return beat
