#include <telaio/autograd/runtime/plan.hpp>

#include <algorithm>

#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

// 16 multiply-adds, or 16 bytes, a cycle; and the call.
double cycles(double flops, double bytes) { return 100 + std::max(flops / 32, bytes / 16); }

double bytes_of(Specs specs) {
  double bytes = 0;
  for (const TensorSpec& spec : specs) bytes += static_cast<double>(spec.bytes());
  return bytes;
}

}  // namespace

double cycles_of(const Op& op, Specs x, Specs y) { return cycles(op.flops(x, y), bytes_of(x) + bytes_of(y)); }

double cycles_of(const Plan& plan, const Plan::Step& step) {
  if (step.kind == Plan::Step::Kind::op)
    return cycles_of(step.node->op(), specs_of(step.node->inputs()), step.node->outputs());
  double bytes = 0;
  for (int v : plan.inputs_of(step)) bytes += static_cast<double>(plan.values[static_cast<size_t>(v)].spec.bytes());
  for (int v : plan.outputs_of(step)) bytes += static_cast<double>(plan.values[static_cast<size_t>(v)].spec.bytes());
  return cycles(0, bytes);
}

void schedule(Plan& plan) {
  const size_t count = plan.steps.size();
  plan.task_first.clear();
  plan.task_steps.clear();
  plan.tasks = {};
  if (plan.in_order || count < 2) return;
  double all = 0;
  for (const Plan::Step& step : plan.steps) all += cycles_of(plan, step);
  if (all < worth_waking) return;

  const Dependencies dependencies(plan);
  std::vector<int> users(count);
  for (int before : dependencies.steps) ++users[static_cast<size_t>(before)];
  // A step joins the task of the only step that it waits for when nobody else waits for that one.
  std::vector<int> task_of(count);
  std::vector<std::vector<int>> members;
  for (size_t s = 0; s < count; ++s) {
    const auto before = dependencies.of(static_cast<int>(s));
    if (before.size() == 1 && users[static_cast<size_t>(before[0])] == 1) {
      task_of[s] = task_of[static_cast<size_t>(before[0])];
    } else {
      task_of[s] = static_cast<int>(members.size());
      members.emplace_back();
    }
    members[static_cast<size_t>(task_of[s])].push_back(static_cast<int>(s));
  }
  if (members.size() < 2) return;

  std::vector<std::vector<int>> successors(members.size());
  plan.tasks.predecessors.assign(members.size(), 0);
  for (size_t t = 0; t < members.size(); ++t) {
    std::vector<int> before;
    for (int step : dependencies.of(members[t].front())) before.push_back(task_of[static_cast<size_t>(step)]);
    std::sort(before.begin(), before.end());
    before.erase(std::unique(before.begin(), before.end()), before.end());
    plan.tasks.predecessors[t] = static_cast<int>(before.size());
    for (int task : before) successors[static_cast<size_t>(task)].push_back(static_cast<int>(t));
  }
  plan.task_first.push_back(0);
  plan.tasks.first_successor.push_back(0);
  for (size_t t = 0; t < members.size(); ++t) {
    plan.task_steps.insert(plan.task_steps.end(), members[t].begin(), members[t].end());
    plan.task_first.push_back(static_cast<int>(plan.task_steps.size()));
    plan.tasks.successors.insert(plan.tasks.successors.end(), successors[t].begin(), successors[t].end());
    plan.tasks.first_successor.push_back(static_cast<int>(plan.tasks.successors.size()));
  }
}

}  // namespace telaio
