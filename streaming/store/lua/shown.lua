-- Remember what users were shown and saw: each request once, newest last, however often it is reported.
-- `remembered` of models/slate/rotation.py does the same; a test runs both.
-- KEYS one a user, each msgpack: {moment up to which nothing is taken, {{request, time, items, seen}, ...}}
-- ARGV 1 places kept of a user 2 seconds to live 3 msgpack: for each key the new showings, in the same shape;
--      time 0: an impression, whose slate may not have come yet
local places, reported = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[3])

-- When it was shown, or first seen.
local function moment(showing)
  if showing[2] ~= 0 then return showing[2] end
  local first = showing[4][1] or 0
  for _, seen in ipairs(showing[4]) do first = math.min(first, seen) end
  return first
end

-- The slate says what stood on it. Without it, the impressions of a request make up its items.
local function merge(one, other)
  if one[2] == 0 and other[2] ~= 0 then one, other = other, one end
  local at, items, seen = {}, one[3], one[4]
  for i = 1, #items do at[items[i]] = i end
  for i = 1, #other[3] do
    local item, there = other[3][i], at[other[3][i]]
    if there then
      seen[there] = math.max(seen[there], other[4][i])
    elseif one[2] == 0 then
      items[#items + 1], seen[#seen + 1], at[item] = item, other[4][i], #items + 1
    end
  end
  return one
end

local function place(known, showing)
  for i = #known, 1, -1 do
    if known[i][1] == showing[1] then
      known[i] = merge(known[i], showing)
      return i
    end
  end
  local i = #known
  while i > 0 and moment(known[i]) > moment(showing) do i = i - 1 end
  table.insert(known, i + 1, showing)
  return i + 1
end

for i = 1, #KEYS do
  local raw = redis.call('GET', KEYS[i])
  local stored = raw and cmsgpack.unpack(raw) or {0, {}}
  local erased_until, known = stored[1], stored[2]
  for _, showing in ipairs(reported[i]) do
    if moment(showing) > erased_until then
      local taken = known[place(known, showing)]
      while #taken[3] > places do
        table.remove(taken[3])
        table.remove(taken[4])
      end
    end
  end
  local count = 0
  for _, showing in ipairs(known) do count = count + #showing[3] end
  while count > places do count = count - #table.remove(known, 1)[3] end
  redis.call('SET', KEYS[i], cmsgpack.pack(stored), 'EX', ARGV[2])
end
return 'OK'
