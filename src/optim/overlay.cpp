#include "optim/overlay.hpp"

#include <fmt/format.h>

#include "optim/policy.hpp"
#include "optim/rule.hpp"

namespace crema::optim {

namespace {

using google::protobuf::FieldDescriptor;

void clear(caffe::SolverParameter& solver, const std::string& field) {
  const FieldDescriptor* d = solver.GetDescriptor()->FindFieldByName(field);
  CREMA_CHECK(d != nullptr, "SolverParameter has no field " + field);
  solver.GetReflection()->ClearField(&solver, d);
}

// The fields that choices other than `name` brought along.
template <class Tag>
void clear_fields_of_others(caffe::SolverParameter& solver, const std::string& name) {
  const auto& registry = Registry<Tag>::instance();
  const auto* chosen = registry.find(name);
  if (chosen == nullptr) return;  // a mistake that is reported when it is made
  for (const std::string& other : registry.names())
    for (const std::string& field : registry.find(other)->own)
      if (std::count(chosen->own.begin(), chosen->own.end(), field) == 0) clear(solver, field);
}

void clear_companions(caffe::SolverParameter& solver, const caffe::OptimizerParameter& own) {
  if (own.has_type()) clear_fields_of_others<RuleTag>(solver, own.type());
  if (own.has_lr_policy()) clear_fields_of_others<PolicyTag>(solver, own.lr_policy());
  const auto replaces = [&](bool replaced, std::initializer_list<const char*> fields) {
    if (replaced)
      for (const char* field : fields) clear(solver, field);
  };
  replaces(own.has_momentum(), {"momentum_schedule", "momentum_policy"});
  replaces(own.has_momentum_schedule(), {"momentum", "momentum_policy"});
  replaces(own.has_weight_decay(), {"weight_decay_schedule", "weight_decay_policy", "adamw_decay"});
  replaces(own.has_weight_decay_schedule(), {"weight_decay", "weight_decay_policy", "adamw_decay"});
  replaces(own.has_warmup(), {"rampup_interval", "rampup_lr", "warmup_iter", "warmup_start_lr"});
}

// A field of one message becomes that of the same name and type in the other.
void copy_field(const google::protobuf::Message& from, const FieldDescriptor* f,
                google::protobuf::Message& to) {
  const FieldDescriptor* t = to.GetDescriptor()->FindFieldByName(f->name());
  CREMA_CHECK(t != nullptr && t->cpp_type() == f->cpp_type() &&
                  t->is_repeated() == f->is_repeated() && t->message_type() == f->message_type() &&
                  t->enum_type() == f->enum_type(),
              "OptimizerParameter." + f->name() + " is not a field of SolverParameter");
  const auto *r = from.GetReflection(), *w = to.GetReflection();
  w->ClearField(&to, t);
  const int count = f->is_repeated() ? r->FieldSize(from, f) : 0;
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      if (!f->is_repeated()) return w->SetInt32(&to, t, r->GetInt32(from, f));
      for (int i = 0; i < count; ++i) w->AddInt32(&to, t, r->GetRepeatedInt32(from, f, i));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      return w->SetFloat(&to, t, r->GetFloat(from, f));
    case FieldDescriptor::CPPTYPE_STRING:
      return w->SetString(&to, t, r->GetString(from, f));
    case FieldDescriptor::CPPTYPE_ENUM:
      return w->SetEnumValue(&to, t, r->GetEnumValue(from, f));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return w->MutableMessage(&to, t)->CopyFrom(r->GetMessage(from, f));
    default:
      CREMA_CHECK(false, "OptimizerParameter." + f->name() + " has a type unknown here");
  }
}

}  // namespace

config::SolverConfig with_optimizer_of(const config::SolverConfig& solver, int rule) {
  const caffe::OptimizerParameter& own = solver.param.param_rule(rule).optimizer();
  config::SolverConfig out;
  out.file = solver.file;
  out.param = solver.param;
  out.param.clear_param_rule();
  clear_companions(out.param, own);
  std::vector<const FieldDescriptor*> set;
  own.GetReflection()->ListFields(own, &set);
  std::vector<std::string> names;
  for (const FieldDescriptor* field : set) {
    copy_field(own, field, out.param);
    names.push_back(field->name());
  }
  out.places = solver.places.with_fields_of(fmt::format("param_rule[{}].optimizer", rule), names);
  return out;
}

}  // namespace crema::optim
