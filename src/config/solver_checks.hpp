// The mistakes in a solver definition that its own text shows. Room-internal.
#pragma once

#include "config/places.hpp"
#include "proto/solver.pb.h"

namespace crema::config {

// Nets and tests, counts, intervals, regularization. Policies and update rules check their own.
void check_solver(const caffe::SolverParameter& solver, const Places& places,
                  Diagnostics& diagnostics);

// The fields that name a training net and are set, in the order of BVLC's search.
std::vector<std::string> train_net_fields(const caffe::SolverParameter& solver);

// The number of test nets made from the generic net: test_iter entries left over.
int generic_test_nets(const caffe::SolverParameter& solver);

}  // namespace crema::config
