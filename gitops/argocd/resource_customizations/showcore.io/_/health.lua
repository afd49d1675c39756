-- Health of a ShowCore store, by its conditions. The same for every kind.
local hs = { status = "Progressing", message = "Waiting for the operator to look at it" }
local metadata = obj.metadata

if metadata.annotations ~= nil and metadata.annotations["showcore.io/paused"] == "true" then
  hs.status = "Suspended"
  hs.message = "The annotation showcore.io/paused is true: nothing is written to AWS"
  return hs
end

local status = obj.status
if status == nil or status.conditions == nil then
  return hs
end
if metadata.generation ~= nil and status.observedGeneration ~= metadata.generation then
  hs.message = "Waiting for the operator to look at the changed spec"
  return hs
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local function is(type, value)
  return conditions[type] ~= nil and conditions[type].status == value
end
local function told(type)
  return conditions[type].reason .. ": " .. conditions[type].message
end

-- A person must act, or a deletion is held.
if is("Stalled", "True") then
  hs.status = "Degraded"
  hs.message = told("Stalled")
  return hs
end
if is("Encrypted", "False") then
  hs.status = "Degraded"
  hs.message = told("Encrypted")
  return hs
end
if is("Reconciling", "True") then
  hs.message = told("Reconciling")
  return hs
end
if is("Ready", "True") then
  hs.status = "Healthy"
  hs.message = conditions["Ready"].message
  -- What waits for a window or is only reported does not make a store ill; it should be seen.
  if is("Pending", "True") then
    hs.message = hs.message .. ". " .. told("Pending")
  end
  if is("Drifted", "True") then
    hs.message = hs.message .. ". " .. told("Drifted")
  end
  return hs
end
if is("Ready", "False") then
  hs.status = "Degraded"
  hs.message = told("Ready")
end
return hs
