-- An entry of a stream as {id, its bytes, how many fields, the fields}. An entry that is larger than `largest` shows its first
-- `shown` bytes and fields alone, so that nothing large leaves the server. The fields are false where the entry was trimmed away.
-- Fields named in `apart` stand in front, do not count as the entry's, and have a length of their own.
local largest_bytes, largest_fields = tonumber(ARGV[1]), tonumber(ARGV[2])
local shown_bytes, shown_fields = tonumber(ARGV[3]), tonumber(ARGV[4])

local function measured(entry, apart)
  if not entry[2] then
    return {entry[1], 0, 0, false}
  end
  local bytes, told, own = 0, {}, {}
  for i = 1, #entry[2], 2 do
    local name, value = entry[2][i], entry[2][i + 1]
    if apart[name] then
      table.insert(told, name)
      table.insert(told, string.sub(value, 1, apart[name]))
    else
      bytes = bytes + #name + #value
      table.insert(own, i)
    end
  end
  local room, places = bytes, #own
  if bytes > largest_bytes or #own > largest_fields then
    room, places = math.min(bytes, shown_bytes), math.min(#own, shown_fields)
  end
  for place = 1, places do
    local name = string.sub(entry[2][own[place]], 1, room)
    local value = string.sub(entry[2][own[place] + 1], 1, room - #name)
    room = room - #name - #value
    table.insert(told, name)
    table.insert(told, value)
  end
  return {entry[1], bytes, #own, told}
end
